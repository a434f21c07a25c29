"""What tells somebody who looks elsewhere, and what a script waits for: start at `bell` and at `conditions`."""
