package io.c2crelay.relay.auth;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.events.RelayEvents;
import io.netty.channel.ChannelHandler;
import java.security.SecureRandom;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Authenticates control connections: what their handshakes share. Safe on any thread. */
public final class Authenticator {
  /** Receives the outcome of a handshake. */
  public interface Success {
    /**
     * On the channel's event loop, after WELCOME is written.
     *
     * @param key the key that the agent has
     */
    void authenticated(Frame.Auth auth, KeyRing.Entry key);
  }

  private final byte[] channelBinding;
  private final Map<ServiceName, KeyRing> keys;
  private final AuthThrottle throttle = new AuthThrottle();
  private final SecureRandom random;
  private final RelayEvents events;

  /**
   * @param channelBinding that of the relay's certificate
   * @param keys the keys of each service
   */
  public Authenticator(
      byte[] channelBinding,
      Map<ServiceName, KeyRing> keys,
      SecureRandom random,
      RelayEvents events) {
    this.channelBinding = channelBinding.clone();
    this.keys = requireNonNull(keys, "keys");
    this.random = requireNonNull(random, "random");
    this.events = requireNonNull(events, "events");
  }

  /** A handler for one connection, to be added behind TLS and the frame codecs. */
  public ChannelHandler newHandshake(Preamble preamble, ClientAddress client, Success success) {
    byte[] nonce = new byte[Frame.Challenge.NONCE_LENGTH];
    random.nextBytes(nonce);
    return new ControlHandshake(this, preamble, client, nonce, success);
  }

  /**
   * Ends the exemption of agent processes from the throttle: one whose key was removed must not
   * guess others faster than a stranger.
   */
  public void forgetInstances() {
    throttle.forgetInstances();
  }

  byte[] channelBinding() {
    return channelBinding.clone();
  }

  /** The keys of a service; null if there is no such service. */
  @Nullable KeyRing keysOf(ServiceName service) {
    return keys.get(service);
  }

  AuthThrottle throttle() {
    return throttle;
  }

  RelayEvents events() {
    return events;
  }
}
