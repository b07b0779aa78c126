"""Use Ray's clusters: join them, send engines to their nodes, run cameras there.

For all that runs on a cluster: `joining` connects, `sent` packs engines, and `placed` has them on nodes as
long as somebody uses them. Cameras, on the driver: `cameras` decides, by a `roster` of what is known of each
camera and by `placement`; `discovery` finds nodes, a `link` talks to one of them, and a `replacement` is an
engine that is to take over; `tries` says when what failed is tried again, `status` what the status file
holds. On each node: `node` follows orders, `trial` and `proof` say whether an engine works there, `load`
measures. Between both go the values of `order`.
"""
