"""The table of output types."""

from collections.abc import Mapping

from prober.outputs.alertmanager import AlertmanagerOutput
from prober.outputs.envoy_eds import EnvoyEdsOutput
from prober.outputs.haproxy_agent import HaproxyAgentOutput
from prober.outputs.kubernetes import KubernetesOutput
from prober.outputs.list_file import FileOutput
from prober.outputs.output import OutputType
from prober.outputs.webhook import WebhookOutput

OUTPUT_TYPES: Mapping[str, type[OutputType]] = {
    "haproxy_agent": HaproxyAgentOutput,
    "envoy_eds": EnvoyEdsOutput,
    "file": FileOutput,
    "kubernetes": KubernetesOutput,
    "alertmanager": AlertmanagerOutput,
    "webhook": WebhookOutput,
}
"""Every output type by its name in the configuration."""
