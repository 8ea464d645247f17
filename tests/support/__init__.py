"""What tests share: real processes, and ways to look at them."""
