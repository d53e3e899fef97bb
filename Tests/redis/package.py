"""The `redis` package, any version from Debian 12's (4.3.4) on, or a plain word on how to get it."""

import logging
import sys
import warnings

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.cluster import ClusterNode, RedisCluster
    from redis.retry import Retry
except ImportError as error:
    print(
        f"The Python package 'redis' is missing ({error}). "
        "Debian: apt-get install python3-redis. Others: pip install redis"
    )
    sys.exit(77)

# It logs what it raises as well, and prefers other methods to some that are on the tour.
logging.getLogger("redis").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", category=DeprecationWarning)

VERSION = tuple(int(part) for part in redis.__version__.split(".")[:2])
HAS_RESP3 = VERSION >= (5, 0)


def plain(address, **options):
    """A client of one node that tries once, and then says what happened."""
    return redis.Redis(host=address[0], port=address[1], retry=Retry(NoBackoff(), 0), **options)


def cluster(addresses, **options):
    return RedisCluster(startup_nodes=[ClusterNode(host, port) for host, port in addresses], **options)
