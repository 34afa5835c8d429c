//! The SignalR wire: messages, both hub protocols, framing, handshake and connection state, without I/O and without a clock.
