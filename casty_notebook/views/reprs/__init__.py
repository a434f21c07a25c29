"""Values of ours as text and HTML: start at `cards` for a whole view in small, and at `html` for its blocks."""
