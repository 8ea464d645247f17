"""What projections mean: their state, who gets which lease, and what a projection is doing."""
