//! What `MONITOR` tells.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    task::AbortHandle,
};

use crate::raw::within;

/// Every command that a server is given, since this was started.
#[derive(Debug)]
pub struct Monitor {
    lines: Arc<Mutex<Vec<String>>>,
    reader: AbortHandle,
}

impl Monitor {
    pub(super) async fn start(port: u16, password: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port))
            .await
            .expect("the server listens");
        let log_in = password.map_or_else(String::new, |password| format!("AUTH {password}\r\n"));
        stream
            .write_all(format!("{log_in}MONITOR\r\n").as_bytes())
            .await
            .expect("the server reads");
        let mut read = BufReader::new(stream).lines();
        let answers = 1 + usize::from(password.is_some());
        for _ in 0..answers {
            let line = within("an answer to MONITOR", read.next_line()).await;
            assert_eq!(line.ok().flatten().as_deref(), Some("+OK"));
        }
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let reader = tokio::spawn(async move {
            while let Ok(Some(line)) = read.next_line().await {
                kept.lock().push(line);
            }
        });
        Self {
            lines,
            reader: reader.abort_handle(),
        }
    }

    /// The lines so far: `+time [database client] "COMMAND" "argument"…`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    /// How many of the commands so far are this one; what scripts do is not counted.
    #[must_use]
    pub fn count(&self, command: &str) -> usize {
        let is_this = |line: &&String| {
            let Some((head, rest)) = line.split_once("] \"") else {
                return false;
            };
            let name = rest.split('"').next().unwrap_or_default();
            !head.ends_with(" lua") && name.eq_ignore_ascii_case(command)
        };
        self.lines.lock().iter().filter(is_this).count()
    }

    /// Forgets the lines so far.
    pub fn clear(&self) {
        self.lines.lock().clear();
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
