//! SignalR across servers, by Redis.
