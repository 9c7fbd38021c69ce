//! What is read off the stores of the process when somebody asks: figures that go up and down, and what the stores count
//! by themselves.

mod channels;
mod node;
mod process;
mod providers;
mod streams;

use lasso_layers::catalog::Catalog;
use tokio::runtime::Handle;

use super::sheet::Sheet;
use crate::clock::Moment;
use crate::runtime::Runtime;
use crate::server::OpenSockets;

pub(super) use self::process::Started;

/// What figures are read of.
pub(super) struct Sources<'a> {
    pub(super) runtime: &'a Runtime,
    /// Clients of WebSockets.
    pub(super) clients: &'a OpenSockets,
    pub(super) workers: &'a Handle,
    pub(super) started: Started,
}

impl Sources<'_> {
    /// Writes everything down.
    pub(super) fn write(&self, sheet: &mut Sheet, now: Moment) {
        let catalog = self.runtime.live.snapshot();
        node::write(sheet, self, &catalog);
        self.write_upstreams(sheet, &catalog, now);
        streams::write(sheet, self.runtime, &catalog);
        process::write(sheet, self.started, self.workers);
    }

    fn write_upstreams(&self, sheet: &mut Sheet, catalog: &Catalog, now: Moment) {
        providers::write(sheet, self.runtime, catalog, now.instant);
        channels::write(sheet, self.runtime, catalog, now.instant);
    }
}
