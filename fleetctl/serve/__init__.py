"""`fleetctl serve`: an observer that is kept running, and whose connections and newest looks other
commands of the same user on the same machine use, over a socket."""
