"""What operators see of the daemon over HTTP: metrics, and whether it is well.

ledger      what the main thread writes down of each message that it sends
snapshot    the ledger at one moment, never changed: all that other threads read
histogram   durations, counted
metrics     a snapshot as Prometheus' text
answers     which page says what, and who may read it
address     where the pages are served
server      the HTTP server: small and bounded
"""
