"""What `fleetctl serve --http` answers: figures for Prometheus, the status, events as they come,
and the dashboard in a browser. Needs the extra ``fleetctl[serve]``."""
