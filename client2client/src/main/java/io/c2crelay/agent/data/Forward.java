package io.c2crelay.agent.data;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.connect.Route;
import io.c2crelay.common.auth.SharedKey;
import io.c2crelay.common.protocol.ServiceName;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A service of the relay that the agent offers: its target, and the key for it. Immutable. */
public final class Forward {
  private final ServiceName service;
  private final Route target;
  private final SharedKey key;
  private final ProxyProtocol proxyProtocol;

  private Forward(ServiceName service, Route target, SharedKey key, ProxyProtocol proxyProtocol) {
    this.service = requireNonNull(service, "service");
    this.target = requireNonNull(target, "target");
    this.key = requireNonNull(key, "key");
    this.proxyProtocol = requireNonNull(proxyProtocol, "proxyProtocol");
  }

  /** A service whose target receives no PROXY header. */
  public static Forward of(ServiceName service, Route target, SharedKey key) {
    return new Forward(service, target, key, ProxyProtocol.OFF);
  }

  /** The same service, with this version of the PROXY header. */
  public Forward with(ProxyProtocol version) {
    return new Forward(service, target, key, version);
  }

  public ServiceName service() {
    return service;
  }

  /** Host and port of the target. */
  public Route target() {
    return target;
  }

  /** The key shared with the relay for this service. */
  public SharedKey key() {
    return key;
  }

  /** The version of the PROXY header that the target receives. */
  public ProxyProtocol proxyProtocol() {
    return proxyProtocol;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Forward
        && ((Forward) other).service.equals(service)
        && ((Forward) other).target.equals(target)
        && ((Forward) other).key.equals(key)
        && ((Forward) other).proxyProtocol == proxyProtocol;
  }

  @Override
  public int hashCode() {
    return Objects.hash(service, target, key, proxyProtocol);
  }
}
