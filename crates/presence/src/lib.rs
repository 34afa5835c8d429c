//! User presence: who is online, through how many connections, and who has to hear about it.
