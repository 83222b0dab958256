package io.c2crelay.agent.control;

import static java.util.Objects.requireNonNull;

import io.c2crelay.agent.connect.RelayConnector;
import io.c2crelay.agent.connect.Route;
import io.c2crelay.agent.events.AgentEvents;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.PromiseCombiner;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/**
 * Keeps the agent attached to each address of a relay's name. Looks the name up every 30 s,
 * attaches to new addresses and drains removed ones. State is confined to one event loop.
 */
public final class AddressFollower implements Attachment {
  private static final long LOOKUP_SECONDS = 30;
  private static final long RETRY_SECONDS = 2;

  /** The maximum number of addresses of a name; further ones are ignored. */
  public static final int MAX_ADDRESSES = 16;

  private final Route relay;
  private final RelayConnector connector;
  private final EventLoop loop;
  private final Function<Route, Attachment> attachments;
  private final AgentEvents events;
  private final Map<InetSocketAddress, Attachment> attached = new LinkedHashMap<>();
  private boolean draining;

  /**
   * Follows a name.
   *
   * @param attachments creates the attachment to one address
   */
  public AddressFollower(
      Route relay,
      RelayConnector connector,
      EventLoop loop,
      Function<Route, Attachment> attachments,
      AgentEvents events) {
    this.relay = requireNonNull(relay, "relay");
    this.connector = requireNonNull(connector, "connector");
    this.loop = requireNonNull(loop, "loop");
    this.attachments = requireNonNull(attachments, "attachments");
    this.events = requireNonNull(events, "events");
  }

  @Override
  public void start() {
    loop.execute(this::lookUp);
  }

  private void lookUp() {
    if (draining) {
      return;
    }
    connector
        .resolve(relay, loop)
        .addListener(
            (Future<List<InetSocketAddress>> resolved) -> {
              if (resolved.isSuccess()) {
                follow(resolved.getNow());
              } else { // existing attachments stay
                events.relayUnknown(relay.toString(), resolved.cause());
              }
              long seconds = attached.isEmpty() ? RETRY_SECONDS : LOOKUP_SECONDS;
              loop.schedule(this::lookUp, seconds, TimeUnit.SECONDS);
            });
  }

  private void follow(List<InetSocketAddress> addresses) {
    if (draining) {
      return;
    }
    for (InetSocketAddress gone : new ArrayList<>(attached.keySet())) {
      if (!addresses.contains(gone)) {
        events.relayAddressGone(relay.toString(), gone);
        Attachment drained = requireNonNull(attached.remove(gone));
        drained.drain().addListener(done -> drained.close());
      }
    }
    for (InetSocketAddress address : addresses) {
      if (!attached.containsKey(address) && attached.size() < MAX_ADDRESSES) {
        events.relayAddress(relay.toString(), address);
        Attachment added = attachments.apply(Route.of(address));
        attached.put(address, added);
        added.start();
      }
    }
  }

  @Override
  public void close() {
    loop.execute(() -> attached.values().forEach(Attachment::close));
  }

  @Override
  public Future<Void> drain() {
    Promise<Void> drained = loop.newPromise();
    loop.execute(
        () -> {
          draining = true;
          PromiseCombiner all = new PromiseCombiner(loop);
          attached.values().forEach(one -> all.add(one.drain()));
          all.finish(drained);
        });
    return drained;
  }
}
