"""WebSockets and event streams: the frames, and how new database rows reach connected clients."""
