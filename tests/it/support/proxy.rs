//! A TCP proxy between the worker and a server: cuts connections, and stops bytes in one direction.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// What the proxy lets through.
#[derive(Debug, Clone, Default)]
struct Rules {
    /// New connections are closed at once.
    refuse: bool,
    /// Connections whose first bytes contain this, from the client to the server.
    stalled_requests: Option<String>,
    /// The same, from the server to the client.
    stalled_answers: Option<String>,
}

/// A proxy before one server.
pub struct Proxy {
    address: String,
    rules: watch::Sender<Rules>,
    /// Ends all connections of now; replaced by a fresh one.
    cut: Mutex<CancellationToken>,
    /// The connections of now, each with what its client has said first.
    open: Mutex<Vec<(watch::Receiver<String>, CancellationToken)>>,
}

/// The worker's publishing connection, as it names itself.
pub const PUBLISHING: &str = "docplanner-worker publish";
/// The worker's consuming connection.
pub const CONSUMING: &str = "docplanner-worker consume";
/// The worker's connection for hearing of other pods.
pub const LISTENING: &str = "docplanner-worker listen";
/// Every connection.
pub const ANY: &str = "";

impl Proxy {
    /// A proxy that lets everything through.
    pub async fn before(server: &str) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Arc::new(Self {
            address: listener.local_addr().unwrap().to_string(),
            rules: watch::Sender::new(Rules::default()),
            cut: Mutex::default(),
            open: Mutex::default(),
        });
        let (serving, server) = (Arc::clone(&proxy), server.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if serving.rules.borrow().refuse {
                    continue;
                }
                let Ok(upstream) = TcpStream::connect(&server).await else { continue };
                serving.connect(client, upstream);
            }
        });
        proxy
    }

    /// The same URL by way of the proxy.
    pub fn instead_of(&self, server: &str, url: &str) -> String {
        url.replace(server, &self.address)
    }

    /// The server is gone: connections break, new ones are refused.
    pub fn take_away(&self) {
        self.rules.send_modify(|rules| rules.refuse = true);
        self.cut_connections();
    }

    /// The server is back.
    pub fn bring_back(&self) {
        self.rules.send_modify(|rules| rules.refuse = false);
    }

    /// Breaks the connections of now; new ones are fine.
    pub fn cut_connections(&self) {
        std::mem::take(&mut *self.cut.lock().unwrap()).cancel();
    }

    /// Breaks the named connections; new ones are held back before they say anything, until [`Proxy::flow`].
    pub fn take_away_only(&self, connections: &str) {
        self.stall_requests(connections);
        let open = self.open.lock().unwrap();
        let named = |hello: &watch::Receiver<String>| hello.borrow().contains(connections);
        open.iter().filter(|(hello, _)| named(hello)).for_each(|(_, cut)| cut.cancel());
    }

    /// Holds back what the named connections send to the server.
    pub fn stall_requests(&self, connections: &str) {
        self.rules.send_modify(|rules| rules.stalled_requests = Some(connections.to_owned()));
    }

    /// Holds back what the server sends to the named connections.
    pub fn stall_answers(&self, connections: &str) {
        self.rules.send_modify(|rules| rules.stalled_answers = Some(connections.to_owned()));
    }

    /// Lets everything go on.
    pub fn flow(&self) {
        self.rules.send_modify(|rules| {
            rules.stalled_requests = None;
            rules.stalled_answers = None;
        });
    }

    fn connect(self: &Arc<Self>, client: TcpStream, server: TcpStream) {
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let cut = self.cut.lock().unwrap().child_token();
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // What the client has said first, by which connections are told apart.
        let (hello, heard) = watch::channel(String::new());
        self.open.lock().unwrap().push((heard.clone(), cut.clone()));
        let requests = pump(
            from_client,
            to_server,
            Direction { rules: self.rules.subscribe(), heard: heard.clone(), requests: true },
            Some(hello),
        );
        let answers = pump(
            from_server,
            to_client,
            Direction { rules: self.rules.subscribe(), heard, requests: false },
            None,
        );
        tokio::spawn(async move {
            cut.run_until_cancelled(async { tokio::join!(requests, answers) }).await;
        });
    }
}

struct Direction {
    rules: watch::Receiver<Rules>,
    heard: watch::Receiver<String>,
    requests: bool,
}

impl Direction {
    async fn until_it_flows(&mut self) {
        let (heard, requests) = (self.heard.clone(), self.requests);
        let flows = |rules: &Rules| {
            let stalled = if requests { &rules.stalled_requests } else { &rules.stalled_answers };
            !stalled.as_ref().is_some_and(|name| heard.borrow().contains(name.as_str()))
        };
        let _ = self.rules.wait_for(flows).await;
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut direction: Direction,
    hello: Option<watch::Sender<String>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        if let Some(hello) = &hello
            && hello.borrow().len() < 2000
        {
            hello.send_modify(|said| said.push_str(&String::from_utf8_lossy(&buffer[..count])));
        }
        direction.until_it_flows().await;
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
