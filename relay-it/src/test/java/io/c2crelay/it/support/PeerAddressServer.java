package io.c2crelay.it.support;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** A program for another host: sends each client its source address, then closes. */
public final class PeerAddressServer {
  private PeerAddressServer() {}

  /** Arguments: the address and the port to listen on. */
  public static void main(String[] args) throws IOException {
    try (ServerSocket server =
        new ServerSocket(Integer.parseInt(args[1]), 10, InetAddress.getByName(args[0]))) {
      while (true) {
        try (Socket client = server.accept()) {
          String address = client.getInetAddress().getHostAddress() + "\n";
          client.getOutputStream().write(address.getBytes(StandardCharsets.US_ASCII));
        }
      }
    }
  }
}
