"""The front door: contacts from every channel come in over HTTP and leave as ``contact.received.v1``.

202 (or WeChat's ``success``) is answered only after every in-sync replica has the record. Nothing is kept here:
no spool, no memory of ids; the same event sent again gets the same id and the inboxes behind count it once.
"""
