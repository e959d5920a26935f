// Walks Oracle's two load balancer services: one JSON object for each step, on stdout.
//
// Arguments: the folder of the packages, the URL of prober, tenancy, user, fingerprint, and a file
// with the private key.
const fs = require("fs");
const { createRequire } = require("module");

const [folder, url, tenancy, user, fingerprint, key] = process.argv.slice(2);
const packages = createRequire(`${folder}/package.json`);
const common = packages("oci-common");
const lb = packages("oci-loadbalancer");
const nlb = packages("oci-networkloadbalancer");
const pem = fs.readFileSync(key, "utf8");
const provider = new common.SimpleAuthenticationDetailsProvider(
  tenancy, user, fingerprint, pem, null, common.Region.US_ASHBURN_1,
);

function tell(step, found) {
  console.log(JSON.stringify({ step, found }));
}

async function refused(step, asked) {
  try {
    await asked;
    tell(step, null);
  } catch (error) {
    tell(step, [error.statusCode, error.serviceCode]);
  }
}

async function balancers() {
  const client = new lb.LoadBalancerClient({ authenticationDetailsProvider: provider });
  client.endpoint = url;
  const made = await client.createLoadBalancer({
    createLoadBalancerDetails: {
      compartmentId: "c1", displayName: "ts-lb", shapeName: "flexible", subnetIds: ["s"],
    },
  });
  const work = await client.getWorkRequest({ workRequestId: made.opcWorkRequestId });
  const loadBalancerId = work.workRequest.loadBalancerId;
  tell("create load balancer", work.workRequest);
  const backendSetName = "ts-set";
  await client.createBackendSet({
    loadBalancerId,
    createBackendSetDetails: {
      name: backendSetName,
      policy: "IP_HASH",
      healthChecker: { protocol: "HTTP", urlPath: "/x", port: 8080, returnCode: 204, retries: 4 },
      backends: [{ ipAddress: "127.0.0.1", port: 9, weight: 4, drain: true }],
    },
  });
  const named = { loadBalancerId, backendSetName };
  tell("show set", (await client.getBackendSet(named)).backendSet);
  const backendName = "127.0.0.1:9";
  await client.updateBackend({
    ...named,
    backendName,
    updateBackendDetails: { weight: 2, backup: true, drain: false, offline: false },
  });
  tell("show backend", (await client.getBackend({ ...named, backendName })).backend);
  tell("show health", (await client.getBackendSetHealth(named)).backendSetHealth);
  tell("list policies", (await client.listPolicies({ compartmentId: "c1" })).items);
  await refused(
    "create listener",
    client.createListener({
      loadBalancerId,
      createListenerDetails: {
        name: "l", defaultBackendSetName: backendSetName, port: 80, protocol: "HTTP",
      },
    }),
  );
  await client.deleteLoadBalancer({ loadBalancerId });
  await refused("load balancer is gone", client.getLoadBalancer({ loadBalancerId }));
}

async function networkBalancers() {
  const client = new nlb.NetworkLoadBalancerClient({ authenticationDetailsProvider: provider });
  client.endpoint = url;
  const made = await client.createNetworkLoadBalancer({
    createNetworkLoadBalancerDetails: {
      compartmentId: "c1", displayName: "ts-nlb", subnetId: "s",
    },
  });
  const networkLoadBalancerId = made.networkLoadBalancer.id;
  tell("create network load balancer", made.networkLoadBalancer);
  const backendSetName = "ts-network-set";
  const set = await client.createBackendSet({
    networkLoadBalancerId,
    createBackendSetDetails: {
      name: backendSetName,
      policy: "TWO_TUPLE",
      healthChecker: { protocol: "UDP", port: 53, requestData: "aGk=" },
      backends: [{ ipAddress: "127.0.0.1", port: 9, isOffline: true }],
    },
  });
  const workRequestId = set.opcWorkRequestId;
  const logs = await client.listWorkRequestLogs({ compartmentId: "c1", workRequestId });
  tell("list logs", logs.workRequestLogEntryCollection.items);
  const errors = await client.listWorkRequestErrors({ compartmentId: "c1", workRequestId });
  tell("list errors", errors.workRequestErrorCollection.items);
  const named = { networkLoadBalancerId, backendSetName };
  tell("show network set", (await client.getBackendSet(named)).backendSet);
  const status = await client.getBackendOperationalStatus({ ...named, backendName: "127.0.0.1:9" });
  tell("show operational status", status.backendOperationalStatus);
  await client.deleteNetworkLoadBalancer({ networkLoadBalancerId });
  await refused(
    "network load balancer is gone", client.getNetworkLoadBalancer({ networkLoadBalancerId }),
  );
}

balancers().then(networkBalancers).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
