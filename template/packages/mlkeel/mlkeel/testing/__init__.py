"""What tests of a project share, and what tests them."""
