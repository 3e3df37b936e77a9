"""What is used twice, or holds a rule."""
