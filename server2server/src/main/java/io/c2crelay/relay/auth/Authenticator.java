package io.c2crelay.relay.auth;

import static java.util.Objects.requireNonNull;

import io.c2crelay.common.protocol.Frame;
import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.protocol.ServiceName;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.events.RelayEvents;
import io.netty.channel.ChannelHandler;
import io.netty.util.concurrent.Ticker;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Authenticates control connections; holds the state that their handshakes share. Safe on any
 * thread.
 */
public final class Authenticator {
  /** Receives the outcome of a handshake. */
  public interface Success {
    /**
     * Called on the channel's event loop after WELCOME is written.
     *
     * @param key the key that authenticated the agent
     */
    void authenticated(Frame.Auth auth, KeyRing.Entry key);
  }

  private final byte[] channelBinding;
  private final Map<ServiceName, KeyRing> keys;
  private final AuthThrottle throttle = new AuthThrottle();
  private final SecureRandom random;
  private final RelayEvents events;

  /**
   * @param channelBinding the channel binding of the relay's certificate
   * @param keys the keys of each service, at least one; may change, on any thread
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

  /** Creates the handler of one connection, to be added after TLS and the frame codecs. */
  public ChannelHandler newHandshake(Preamble preamble, ClientAddress client, Success success) {
    byte[] nonce = new byte[Frame.Challenge.NONCE_LENGTH];
    random.nextBytes(nonce);
    return new ControlHandshake(this, preamble, client, nonce, success);
  }

  /** The number of networks whose authentication is throttled. */
  public int throttledNetworks() {
    return throttle.throttled(Ticker.systemTicker().nanoTime());
  }

  byte[] channelBinding() {
    return channelBinding.clone();
  }

  boolean isKnown(ServiceName service) {
    return keys.containsKey(service);
  }

  /**
   * The keys of a service. For an unknown service, returns those of another one: checking them
   * takes the same time, so a peer cannot find out which services exist.
   */
  KeyRing keysOf(ServiceName service) {
    KeyRing known = keys.get(service);
    if (known != null) {
      return known;
    }
    List<KeyRing> decoys = new ArrayList<>(keys.values());
    return decoys.get(Math.floorMod(service.hashCode(), decoys.size()));
  }

  AuthThrottle throttle() {
    return throttle;
  }

  RelayEvents events() {
    return events;
  }
}
