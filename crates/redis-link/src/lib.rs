//! Connections to Redis that look after themselves.
