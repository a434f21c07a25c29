"""What a cell shows: the cluster and its card, our values as HTML (`reprs`), and the live views (`live`).

May know every room below, and IPython's display machinery by its public calls; decides nothing about the cluster and
never waits. Start reading at `cluster.Cluster`.
"""
