"""What must hold of what customers are told in stories."""
