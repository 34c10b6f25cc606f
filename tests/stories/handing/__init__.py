"""Processes that hand partitions over in stories."""
