"""WebSockets and streams: what is sent, and how new rows reach whoever listens."""
