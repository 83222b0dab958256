package io.c2crelay.server;

public final class Server2Server {
  private Server2Server() {}

  public static void main(String[] args) {}
}
