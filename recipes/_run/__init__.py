"""What all recipes share: one command that certifies, verifies and reports."""
