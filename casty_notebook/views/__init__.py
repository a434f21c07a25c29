"""What a cell shows: the cluster and its card, our values as HTML, and the live views.

May know every room below, and IPython's display machinery by its public calls; decides nothing about the cluster and
never waits. Start reading at `cluster.Cluster`, then `cards` for a whole view in small and `html` for its blocks;
live views start at `topology_widget`, and `bridge` is the one file that crosses threads.
"""
