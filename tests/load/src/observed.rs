//! Processor time of a call while somebody looks: with the dashboard open and metrics scraped, and without.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::process::Stage;
use crate::{Outcome, cpu, median};

const ROUNDS: usize = 11;
/// Time between two scrapes. Far shorter than anybody's, so that the blocks hold some.
const SCRAPE: Duration = Duration::from_secs(1);
/// After the page was opened, before anything is measured.
const SETTLE: Duration = Duration::from_millis(500);
/// How long a page may take.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) async fn measure(stage: &Stage) -> Outcome<()> {
    let lasso = &stage.lasso;
    cpu::block(lasso).await?;
    let (mut alone, mut observed) = (Vec::new(), Vec::new());
    for round in 0..2 * ROUNDS {
        // Each leads as often as it follows.
        let is_observed = (round / 2 + round) % 2 == 1;
        let mut watching = JoinSet::new();
        if is_observed {
            watching.spawn(view(lasso.address));
            watching.spawn(scrape(lasso.address));
            sleep(SETTLE).await;
        }
        let (cost, _) = cpu::cost_of_call(lasso).await?;
        if let Some(ended) = watching.try_join_next() {
            ended??;
            return Err("what was watched ended".into());
        }
        watching.shutdown().await;
        if is_observed { &mut observed } else { &mut alone }.push(cost);
    }
    let [alone, observed] = [alone, observed].map(median);
    println!(
        "processor time a call: {alone:.2} us, {observed:.2} us with the dashboard open and metrics scraped every \
         second, ratio {:.3} (limit 1.03)",
        observed / alone
    );
    Ok(())
}

/// Keeps the page of the dashboard open and reads what it is sent.
async fn view(server: SocketAddr) -> Outcome<()> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(format!("GET /api/live HTTP/1.1\r\nhost: {server}\r\n\r\n").as_bytes()).await?;
    let mut room = vec![0; 64 * 1024];
    while stream.read(&mut room).await? > 0 {}
    Err("the live page ended".into())
}

/// Fetches the metrics again and again.
async fn scrape(server: SocketAddr) -> Outcome<()> {
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n");
    loop {
        let mut stream = TcpStream::connect(server).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut page = String::new();
        timeout(LIMIT, stream.read_to_string(&mut page)).await??;
        if !page.starts_with("HTTP/1.1 200") || !page.contains("lasso_rpc_request_count") {
            return Err("the metrics are not there".into());
        }
        sleep(SCRAPE).await;
    }
}
