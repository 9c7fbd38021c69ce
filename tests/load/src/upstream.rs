//! An upstream that answers at once, with a huge body, or late, depending on the method.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Outcome;

/// The size of the `eth_getLogs` reply.
pub(crate) const LARGE: usize = 256 * 1024 * 1024;
/// How long a `debug_traceTransaction` call takes.
const LATE: Duration = Duration::from_secs(25);
const HEAD: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"";
static CHUNK: [u8; 64 * 1024] = [b'a'; 64 * 1024];
const TAIL: &[u8] = b"\"}";

pub(crate) async fn serve(address: SocketAddr) -> Outcome<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A connection that breaks is the measured program's business.
            let _ = answer(stream).await;
        });
    }
}

async fn answer(mut stream: TcpStream) -> Outcome<()> {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let Some((end, method)) = request(&buffer) else {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        buffer.drain(..end);
        match method {
            Method::Instant => stream.write_all(&small()).await?,
            Method::Late => {
                tokio::time::sleep(LATE).await;
                stream.write_all(&small()).await?;
            }
            Method::Large => large(&mut stream).await?,
        }
    }
}

enum Method {
    Instant,
    Late,
    Large,
}

/// The end of the first complete request in `bytes`, and what it asks for.
fn request(bytes: &[u8]) -> Option<(usize, Method)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let length = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    let end = head + 4 + length.1.trim().parse::<usize>().ok()?;
    let body = std::str::from_utf8(bytes.get(head + 4..end)?).ok()?;
    let method = if body.contains("eth_getLogs") {
        Method::Large
    } else if body.contains("debug_traceTransaction") {
        Method::Late
    } else {
        Method::Instant
    };
    Some((end, method))
}

fn small() -> Vec<u8> {
    let body = [HEAD, b"0x1bc16d674ec80000", TAIL].concat();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

async fn large(stream: &mut TcpStream) -> Outcome<()> {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {LARGE}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), HEAD].concat()).await?;
    let mut left = LARGE - HEAD.len() - TAIL.len();
    while left > 0 {
        let part = left.min(CHUNK.len());
        stream.write_all(&CHUNK[..part]).await?;
        left -= part;
    }
    Ok(stream.write_all(TAIL).await?)
}
