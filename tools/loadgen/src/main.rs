//! Load for SignalR presence servers.

fn main() {}
