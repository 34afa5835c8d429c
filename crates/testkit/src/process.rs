//! What is done to a process that a test has started.

use std::process::{Child, Command};

/// Ends it at once; nothing happens to one that has ended.
pub(crate) fn kill(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Sends a signal by its name.
pub(crate) fn signal(child: &Child, name: &str) {
    // The shell's own command: no package is needed for it.
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", child.id())])
        .status()
        .is_ok_and(|status| status.success());
    assert!(sent, "a signal can be sent");
}
