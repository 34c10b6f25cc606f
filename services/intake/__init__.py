"""Intake: contacts from every channel come in over HTTP and leave as ``contact.received.v1``.

202 (or WeChat's ``success``) is answered only after every in-sync replica has the record. Nothing is stored here, no
spool and no ids: the same event sent again gets the same id, and the inboxes of the consumers count it once.
"""
