"""What a terminal shows of a cluster: start at `picture` for what it says, at `top` for how it is kept up to date."""
