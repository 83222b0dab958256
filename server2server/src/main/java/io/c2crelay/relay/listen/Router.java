package io.c2crelay.relay.listen;

import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.transport.Sockets;
import io.c2crelay.relay.address.ClientAddress;
import io.c2crelay.relay.events.RelayEvents.Classification;
import io.c2crelay.relay.events.RelayEvents.ConnectionRefusal;
import io.c2crelay.relay.session.Dispatcher;
import io.c2crelay.relay.session.UserConnection;
import io.netty.channel.socket.SocketChannel;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Passes one connection from its classifier to the handlers of a user or an agent. */
final class Router implements ConnectionRouter {
  /**
   * Effectively no timeout: inside TLS there are no silent users, and the guard limits the time.
   */
  private static final long NO_DETECT_TIMEOUT_NANOS = TimeUnit.MINUTES.toNanos(1);

  private final SocketChannel channel;
  private final ClientAddress client;
  private final Dispatcher users;
  private final Listener listener;
  private @Nullable UserConnection user;

  Router(SocketChannel channel, ClientAddress client, Dispatcher users, Listener listener) {
    this.channel = channel;
    this.client = client;
    this.users = users;
    this.listener = listener;
  }

  @Override
  public void user(boolean silent) {
    listener.identified(channel, client);
    listener
        .events()
        .connectionClassified(silent ? Classification.SILENT_USER : Classification.USER);
    long now = channel.eventLoop().ticker().nanoTime();
    if (listener.isDraining()) {
      Sockets.reset(channel);
    } else if (!listener.access().allowsUser(client.remote())) {
      listener.refuse(channel, client, ConnectionRefusal.NOT_ALLOWED);
    } else if (!listener.access().admitsSession(client.network(), now)) {
      listener.refuse(channel, client, ConnectionRefusal.RATE);
    } else {
      user = UserConnection.enter(channel, client, users, listener.events(), silent);
    }
  }

  @Override
  public void confirmed() {
    if (user != null) {
      user.confirm();
    }
  }

  @Override
  public void misclassified() {
    listener.events().connectionMisclassified(client.remote());
    listener.addresses().late(client.network(), channel.eventLoop().ticker().nanoTime());
    if (user != null) {
      user.misclassified();
    }
  }

  @Override
  public void magic() {
    listener.identified(channel, client);
    listener.events().connectionClassified(Classification.AGENT);
    listener.agents().guard(channel, client);
  }

  @Override
  public void tlsFirst() {
    magic();
    listener.agents().acceptTlsFirst(channel);
    channel
        .pipeline()
        .addBefore(
            "guard",
            "tls-first-classifier",
            new ConnectionClassifier(
                () -> NO_DETECT_TIMEOUT_NANOS, new TlsFirstRouter(channel, this)));
  }

  @Override
  public void invalidPreamble() {
    listener.events().connectionRefused(client.remote(), ConnectionRefusal.PREAMBLE);
  }

  @Override
  public void agent(Preamble preamble) {
    if (listener.access().allowsAgent(client.remote())) {
      listener.agents().accept(channel, client, preamble);
    } else {
      listener.refuse(channel, client, ConnectionRefusal.NOT_ALLOWED);
    }
  }
}
