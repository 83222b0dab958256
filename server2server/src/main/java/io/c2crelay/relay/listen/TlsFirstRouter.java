package io.c2crelay.relay.listen;

import io.c2crelay.common.protocol.Preamble;
import io.c2crelay.common.transport.Sockets;
import io.netty.channel.socket.SocketChannel;

/** The router for an agent that began with TLS: only a preamble may follow inside. */
final class TlsFirstRouter implements ConnectionRouter {
  private final SocketChannel channel;
  private final ConnectionRouter outer;

  TlsFirstRouter(SocketChannel channel, ConnectionRouter outer) {
    this.channel = channel;
    this.outer = outer;
  }

  @Override
  public void user(boolean silent) {
    outer.invalidPreamble();
    Sockets.reset(channel);
  }

  @Override
  public void confirmed() {}

  @Override
  public void misclassified() {}

  @Override
  public void magic() {} // already called for the ClientHello

  @Override
  public void tlsFirst() {
    user(false);
  }

  @Override
  public void invalidPreamble() {
    outer.invalidPreamble();
  }

  @Override
  public void agent(Preamble preamble) {
    outer.agent(preamble);
  }
}
