"""What to tell whom, when; pure. ``incident`` is what is true, ``notice`` what can be said, ``decide`` compares."""
