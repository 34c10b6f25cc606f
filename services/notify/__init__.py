"""Notices to customers: one per customer, incident, stage and revision, until the power is back."""
