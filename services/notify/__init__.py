"""What customers are told: one notice a customer, incident, stage and revision, until the power is back."""
