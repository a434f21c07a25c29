"""An incident as one file that opens anywhere: start at `incident` for what is told, at `page` for how it looks."""
