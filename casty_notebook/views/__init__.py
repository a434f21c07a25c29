"""What a cell shows: the cluster with its tables, the live views, and our values as text and HTML.

May know every room below, and IPython's display machinery by its public calls; decides nothing about the cluster and
never waits. Start reading at `cluster.Cluster`; the rooms are `live` (the map), `watch`, `alarms`, `past`, `plots`, `reprs`,
`report` and `terminal`.
"""
