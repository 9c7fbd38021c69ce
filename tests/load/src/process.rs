//! The processes on stage, and what the kernel says about them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{env, fs};

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::Outcome;

/// The upstream, the floor and Lasso, all running.
pub(crate) struct Stage {
    pub(crate) upstream: Server,
    pub(crate) floor: Server,
    pub(crate) lasso: Server,
    _directory: Directory,
}

/// A process that listens.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    child: Child,
}

/// A folder that goes away with the value.
pub(crate) struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        // What cannot be removed is left to the system.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Stage {
    pub(crate) async fn start() -> Outcome<Self> {
        let this = env::current_exe()?;
        let upstream_address = free_address().await?;
        let upstream = Server::start(
            "direct",
            &this,
            &["upstream", &upstream_address.to_string()],
            upstream_address,
            "/",
        )
        .await?;
        let floor_address = free_address().await?;
        let arguments = ["floor", &floor_address.to_string(), &upstream_address.to_string()];
        let floor = Server::start("floor", &this, &arguments, floor_address, "/").await?;

        let directory = Directory::new()?;
        let settings = "timeouts: { eth_getLogs: 60000 }\nserver: { inflight_bytes: 1073741824 }\nprobe: { enabled: false }\nblock_sync: { enabled: false }\n";
        let lasso = Server::lasso(&directory, &profile(upstream_address), settings, "/rpc/ethereum").await?;
        Ok(Self { upstream, floor, lasso, _directory: directory })
    }
}

impl Directory {
    pub(crate) fn new() -> Outcome<Self> {
        let path = env::temp_dir().join(format!("lasso-load-{}", std::process::id()));
        fs::create_dir_all(path.join("profiles"))?;
        Ok(Self(path))
    }
}

impl Server {
    /// Starts Lasso: the binary of the release build beside this one, or the one that `LASSO_BIN` names.
    pub(crate) async fn lasso(
        directory: &Directory,
        profile: &str,
        settings: &str,
        path: &'static str,
    ) -> Outcome<Self> {
        let binary = match env::var_os("LASSO_BIN") {
            Some(binary) => PathBuf::from(binary),
            None => env::current_exe()?.with_file_name("lasso"),
        };
        if !binary.exists() {
            return Err(
                format!("{} is missing: build it with `cargo build --release`", binary.display()).into()
            );
        }
        let (profiles, file) = (directory.0.join("profiles"), directory.0.join("lasso.yml"));
        fs::write(profiles.join("default.yml"), profile)?;
        fs::write(&file, settings)?;
        let address = free_address().await?;
        let listen = address.to_string();
        let arguments =
            ["serve", "--profiles", text(&profiles)?, "--config", text(&file)?, "--listen", &listen];
        Self::start("lasso", &binary, &arguments, address, path).await
    }

    pub(crate) async fn start(
        name: &'static str,
        binary: &Path,
        arguments: &[&str],
        address: SocketAddr,
        path: &'static str,
    ) -> Outcome<Self> {
        let child = Command::new(binary).args(arguments).stdout(Stdio::null()).kill_on_drop(true).spawn()?;
        let limit = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).await.is_err() {
            if Instant::now() > limit {
                return Err(format!("{name} does not listen").into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { name, address, path, child })
    }

    fn pid(&self) -> Outcome<u32> {
        self.child.id().ok_or_else(|| format!("{} has ended", self.name).into())
    }

    /// The folders of its threads.
    pub(crate) fn threads(&self) -> Outcome<Vec<PathBuf>> {
        let entries = fs::read_dir(format!("/proc/{}/task", self.pid()?))?;
        Ok(entries.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?)
    }

    /// Processor time of all threads so far.
    pub(crate) fn processor_time(&self) -> Outcome<Duration> {
        let mut nanos = 0;
        for thread in self.threads()? {
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(thread.join("schedstat")) else { continue };
            nanos += text.split_whitespace().next().ok_or("schedstat is empty")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Resident memory now, in bytes.
    pub(crate) fn resident(&self) -> Outcome<u64> {
        self.status("VmRSS:")
    }

    /// The most resident memory since [`forget_peak`](Self::forget_peak), in bytes.
    pub(crate) fn peak(&self) -> Outcome<u64> {
        self.status("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) -> Outcome<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.pid()?), "5")?)
    }

    /// How many files the process may have open.
    pub(crate) fn open_files(&self) -> Outcome<usize> {
        let text = fs::read_to_string(format!("/proc/{}/limits", self.pid()?))?;
        let line =
            text.lines().find_map(|line| line.strip_prefix("Max open files")).ok_or("no limit on files")?;
        Ok(line.split_whitespace().next().ok_or("no figure in limits")?.parse()?)
    }

    fn status(&self, key: &str) -> Outcome<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = text.lines().find_map(|line| line.strip_prefix(key)).ok_or("no such line in status")?;
        let kibibytes: u64 = line.split_whitespace().next().ok_or("no figure in status")?.parse()?;
        Ok(kibibytes * 1024)
    }
}

pub(crate) async fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}

fn text(path: &Path) -> Outcome<&str> {
    path.to_str().ok_or_else(|| "the temporary folder has a name that is not text".into())
}

fn profile(upstream: SocketAddr) -> String {
    format!(
        "name: Load\nslug: default\nrps_limit: 10000000\nburst_limit: 10000000\nchains:\n  ethereum:\n    chain_id: 1\n    monitoring: {{ probe_interval_ms: 3600000 }}\n    providers:\n      - {{ id: only, name: Only, url: \"http://{upstream}\" }}\n"
    )
}
