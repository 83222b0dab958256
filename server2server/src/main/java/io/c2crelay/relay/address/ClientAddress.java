package io.c2crelay.relay.address;

import io.netty.channel.socket.SocketChannel;
import java.net.InetSocketAddress;

/** Both addresses of an accepted connection, taken when it was accepted. */
public final class ClientAddress {
  private final InetSocketAddress remote;
  private final InetSocketAddress local;
  private final ClientNetwork network;

  private ClientAddress(InetSocketAddress remote, InetSocketAddress local) {
    this.remote = remote;
    this.local = local;
    network = ClientNetwork.of(remote);
  }

  /** The addresses of a connection; both are resolved. */
  public static ClientAddress of(InetSocketAddress remote, InetSocketAddress local) {
    return new ClientAddress(remote, local);
  }

  /** The addresses of an open connection. */
  public static ClientAddress of(SocketChannel channel) {
    return new ClientAddress(channel.remoteAddress(), channel.localAddress());
  }

  /** The client's address. */
  public InetSocketAddress remote() {
    return remote;
  }

  /** The relay's address that the client connected to. */
  public InetSocketAddress local() {
    return local;
  }

  /** The network by which limits count the client. */
  public ClientNetwork network() {
    return network;
  }
}
