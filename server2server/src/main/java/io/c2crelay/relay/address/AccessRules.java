package io.c2crelay.relay.address;

import static java.util.Objects.requireNonNull;

import java.net.InetSocketAddress;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Decides by address which clients may connect. Safe on any thread. */
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

  /** Returns these rules, with the counts of the earlier ones if the rate is the same. */
  public AccessRules after(AccessRules earlier) {
    return sessionsPerSecond == earlier.sessionsPerSecond
        ? new AccessRules(allowed, denied, allowedAgents, sessionsPerSecond, earlier.newSessions)
        : this;
  }

  /**
   * Creates rules.
   *
   * @param allowed networks that users may connect from; empty for all
   * @param denied networks that users must not connect from, even if they are allowed
   * @param allowedAgents networks that agents may connect from; empty for all
   * @param sessionsPerSecond new sessions per second of each client network, and the allowed burst;
   *     0 for no limit
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

  /** Counts a new session of a network; returns false if the network exceeds its rate. */
  public boolean admitsSession(ClientNetwork network, long nowNanos) {
    return newSessions == null || newSessions.take(network, nowNanos);
  }
}
