package io.c2crelay.relay.address;

import static java.util.Objects.requireNonNull;

import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Who may connect, by address. Safe on any thread. */
public final class AccessRules {
  private final AddressList allowed;
  private final AddressList denied;
  private final AddressList allowedAgents;
  private final int sessionsPerSecond;
  private final @Nullable TokenBuckets newSessions;

  private AccessRules(
      AddressList allowed,
      AddressList denied,
      AddressList allowedAgents,
      int sessionsPerSecond,
      @Nullable TokenBuckets newSessions) {
    this.allowed = requireNonNull(allowed, "allowed");
    this.denied = requireNonNull(denied, "denied");
    this.allowedAgents = requireNonNull(allowedAgents, "allowedAgents");
    this.sessionsPerSecond = sessionsPerSecond;
    this.newSessions = newSessions;
  }

  /** These rules, with what the earlier ones have counted if the rate is the same. */
  public AccessRules after(AccessRules earlier) {
    return sessionsPerSecond == earlier.sessionsPerSecond
        ? new AccessRules(allowed, denied, allowedAgents, sessionsPerSecond, earlier.newSessions)
        : this;
  }

  /**
   * Rules.
   *
   * @param allowed users come from there; from anywhere if it is empty
   * @param denied users do not come from there, also if they are allowed
   * @param allowedAgents agents come from there; from anywhere if it is empty
   * @param sessionsPerSecond of each client network, with a burst of as many; 0 for any number
   */
  public static AccessRules of(
      AddressList allowed, AddressList denied, AddressList allowedAgents, int sessionsPerSecond) {
    return new AccessRules(
        allowed,
        denied,
        allowedAgents,
        sessionsPerSecond,
        sessionsPerSecond == 0
            ? null
            : TokenBuckets.of(sessionsPerSecond, TimeUnit.SECONDS.toNanos(1) / sessionsPerSecond));
  }

  /** Whether users may come from an address. */
  public boolean allowsUser(InetSocketAddress address) {
    return (allowed.isEmpty() || allowed.contains(address)) && !denied.contains(address);
  }

  /** Whether agents may come from an address. */
  public boolean allowsAgent(InetSocketAddress address) {
    return allowedAgents.isEmpty() || allowedAgents.contains(address);
  }

  /** Counts one more session of a network in, unless there are too many in a second. */
  public boolean admitsSession(ClientNetwork network, long nowNanos) {
    return newSessions == null || newSessions.take(network, nowNanos);
  }
}
