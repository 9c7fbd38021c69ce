//! Ranges of IP addresses as settings.

use lasso_layers::edge::ingress::Network;

use super::super::field::Field;
use super::super::problem::Report;
use super::setting::Scalar;

impl Scalar for Network {
    type Limit = ();

    fn parse(field: &Field<'_>, limit: &(), report: &mut Report<'_>) -> Option<Self> {
        let range = field.node.as_text().and_then(|text| text.parse().ok());
        if range.is_none() {
            field.refuse(report, &Self::allowed(limit));
        }
        range
    }

    fn yaml(&self) -> String {
        format!("\"{self}\"")
    }

    fn allowed((): &()) -> String {
        "an IP address or a range such as \"10.0.0.0/8\"".to_owned()
    }
}
