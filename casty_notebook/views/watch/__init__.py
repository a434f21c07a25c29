"""A question asked again and again: start at `watch`.

`shown` is what it looks like, `bridge` crosses threads for it, `in_terminal` draws it where there is no page.
"""
